// The browser's part of passkeys: asks the console what to prove, has the device prove it, and sends the form. A form that wants this says
// where to ask (data-passkey) and what for (data-make: a new key). Without it, or without a script, everything else works.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const asked = async (form) => {
  const body = new URLSearchParams({ form: form.elements.form.value });
  const answer = await fetch(form.dataset.passkey, { method: "POST", body });
  if (!answer.ok) throw new Error(String(answer.status));
  const options = await answer.json();
  options.challenge = bytes(options.challenge);
  for (const list of [options.allowCredentials, options.excludeCredentials]) {
    for (const one of list ?? []) one.id = bytes(one.id);
  }
  if (options.user) options.user.id = bytes(options.user.id);
  return options;
};

const proven = async (form) => {
  const publicKey = await asked(form);
  const make = "make" in form.dataset;
  const made = await (make ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
  const response = { clientDataJSON: text(made.response.clientDataJSON) };
  if (make) {
    response.attestationObject = text(made.response.attestationObject);
  } else {
    response.authenticatorData = text(made.response.authenticatorData);
    response.signature = text(made.response.signature);
    if (made.response.userHandle) response.userHandle = text(made.response.userHandle);
  }
  return { id: made.id, rawId: text(made.rawId), type: made.type, response };
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      form.elements.answer.value = JSON.stringify(await proven(form));
    } catch {
      form.elements.answer.value = ""; // called off, or none there: the console says what to do then
    }
    form.submit();
  });
}
