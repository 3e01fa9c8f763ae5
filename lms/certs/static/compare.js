// The QR code carries the paper's hash after #, which never reaches the server: compare it here.
(() => {
  "use strict";
  const printed = new URLSearchParams(location.hash.slice(1)).get("h");
  const shown = document.getElementById("certificate-hash");
  if (!printed || !shown) return;
  const same = printed === shown.dataset.sha256;
  document.getElementById(same ? "same-hash" : "other-hash").hidden = false;
  if (!same) document.getElementById("answer").classList.remove("good");
})();
