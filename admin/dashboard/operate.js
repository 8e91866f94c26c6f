// SPDX-License-Identifier: Apache-2.0

// The buttons that change something. Each asks first, and posts.

import { $, options, setText } from "./dom.js";

// confirmed asks, does it, and shows the answer.
function confirmed(title, text, doing, path) {
  const dialog = $("dialog"), yes = $("dialog-yes"), no = $("dialog-no"), answer = $("dialog-answer");
  setText($("dialog-h"), title);
  setText($("dialog-text"), text);
  setText(yes, doing);
  setText(no, "Cancel");
  yes.hidden = false;
  yes.disabled = false;
  answer.hidden = true;
  yes.onclick = async () => {
    yes.disabled = true;
    try {
      const r = await fetch(path, { method: "POST" });
      setText(answer, `${r.ok ? "Done." : `Refused (${r.status}).`}\n${(await r.text()).trim()}`);
    } catch {
      setText(answer, "The proxy does not answer.");
    }
    answer.hidden = false;
    yes.hidden = true;
    setText(no, "Close");
    no.focus();
  };
  no.onclick = () => dialog.close();
  dialog.showModal();
  no.focus();
}

export function start() {
  $("do-reload").addEventListener("click", () => confirmed("Reload the configuration?", "The file is read again. A configuration with errors changes nothing. Connections live on unless their listener goes or changes.", "Reload", "/reload"));
  $("do-drain").addEventListener("click", () => confirmed("Drain the proxy?", "It refuses new connections and lets the others finish what they carry. This cannot be undone; the process goes on until it is stopped.", "Drain", "/drain"));
  $("do-log").addEventListener("click", () => {
    const path = $("log-path").value, level = $("log-level").value;
    const text = level ? `${path || "All logs"} will be written at ${level}, until it is set otherwise or the process ends.` : `${path || "All logs"} will be written as configured.`;
    confirmed("Set the level of the log?", text, "Set it", `/logging?${new URLSearchParams({ level, ...(path && { path }) })}`);
  });
}

export function update(doc) {
  options($("log-path"), ["", ...Object.keys(doc.logs).sort()], (v) => v || "all");
}
