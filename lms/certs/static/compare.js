// The QR code carries the paper's hash after #, which never reaches the server: compare it here.
(() => {
  "use strict";
  const printed = new URLSearchParams(location.hash.slice(1)).get("h");
  const shown = document.getElementById("certificate-hash");
  if (!printed || !shown) return;
  document.getElementById(printed === shown.dataset.sha256 ? "same-hash" : "other-hash").hidden = false;
})();
