// SPDX-License-Identifier: Apache-2.0

// Runs before the page is drawn, so that it never flashes in the other scheme.
(() => {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* storage is off: the system's scheme */ }
})();
