// SPDX-License-Identifier: Apache-2.0

// Elements, changed only where something is different, so that focus, selection
// and what a screen reader is at stay where they are.

export const $ = (id) => document.getElementById(id);

// make returns an element; children are nodes or text.
export function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") e.className = value;
    else if (value !== undefined) e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

// cell returns a cell of a table with a class.
export const cell = (name = "", scope) => (scope ? make("th", { scope, class: name }) : make("td", { class: name }));

// figure writes a number into a cell; one that is zero steps back.
export function figure(td, text, zero) {
  setText(td, text);
  td.classList.toggle("zero", zero || text === "–");
}

// alarm writes a number that is red unless it is zero.
export function alarm(td, text, n) {
  if (n > 0) {
    const tag = td.firstElementChild ?? td.appendChild(make("span", { class: "tag bad" }));
    if (td.firstChild !== tag) td.replaceChildren(tag);
    setText(tag, text);
    td.classList.remove("zero");
  } else {
    figure(td, text, true);
  }
}

// sync makes the children of parent one for each row, kept by key.
export function sync(parent, rows, key, build, update) {
  parent.kept ??= new Map();
  const left = new Map(parent.kept);
  let at = parent.firstElementChild;
  for (const row of rows) {
    const k = key(row);
    let e = left.get(k);
    left.delete(k);
    if (!e) {
      e = build(row);
      parent.kept.set(k, e);
    }
    update(e, row);
    if (e === at) at = at.nextElementSibling;
    else parent.insertBefore(e, at);
  }
  for (const [k, e] of left) {
    parent.kept.delete(k);
    e.remove();
  }
}

// options makes a select have these, and keeps what is chosen.
export function options(select, values, text = (v) => v) {
  const was = select.value;
  const wanted = values.join("\n");
  if (select.dataset.values === wanted) return;
  select.dataset.values = wanted;
  select.replaceChildren(...values.map((v) => make("option", { value: v }, text(v))));
  if (values.includes(was)) select.value = was;
}
