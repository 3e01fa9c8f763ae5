// Sign in this browser: show documents, and sign the very bytes of what is shown.
import { canonical, hex, multibase, sha256, signingInput } from "./jcs.js";
import { destroy, find, isSupported, make, sign } from "./keys.js";

const NAMESPACE = "https://duri.example/ns#";
const MOST_SECONDS_APART = 300;
const at = (id) => document.getElementById(id);
const root = at("signing");
const words = JSON.parse(root.dataset.words);
let state = {};
let shown = [];
let key;

/** Say what went wrong in words for the person who reads them. */
class Trouble extends Error {}

function word(name, values = {}) {
  return words[name].replace(/%\((\w+)\)[sd]/g, (_, value) => String(values[value]));
}

// ---- the signer

async function ask(path, body) {
  const sent = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, token: root.dataset.token }),
  };
  let answer;
  let told;
  try {
    answer = await fetch(`/approve/${path}`, { ...sent, redirect: "error", cache: "no-store" });
    told = await answer.json();
  } catch {
    throw new Trouble(words.no_answer);
  }
  if (!answer.ok) throw new Trouble(told.said ?? words.no_answer);
  return told;
}

// ---- the documents

/** Take a document as it will be signed; what is shown of it is read from these bytes and nothing else. */
async function take(told) {
  try {
    const written = canonical(told.document);
    if (hex(await sha256(written)) !== told.digest) throw new Trouble("changed");
    const certificate = JSON.parse(written);
    return { ...told, written, certificate, ...read(certificate, told) };
  } catch {
    return { ...told, written: null, title: words.unreadable, lines: [] };
  }
}

function read(certificate, told) {
  const subject = certificate.credentialSubject;
  const achievement = subject.achievement;
  const [name] = subject.identifier;
  const results = achievement.resultDescription.map((described, index) => ({
    key: described.id.slice(described.id.lastIndexOf("#") + 1),
    name: described.name,
    most: described.valueMax,
    value: subject.result[index].value,
  }));
  const ranked = results.length - 3 * results.filter(({ key: of }) => of.startsWith("place-")).length;
  const files = certificate.evidence ?? [];
  const lines = [
    ["holder", name.identityHash],
    ["email", told.email],
    ["organisations", [certificate.issuer, subject.source].map((one) => `${one.name} <${one.url}>`)],
    ["achievement", [achievement.name, achievement.id]],
    ["description", achievement.description],
    ["skills", (achievement.alignment ?? []).map(
      (one) => `${one.targetName} <${one.targetUrl}> (${one.targetFramework})`,
    )],
    ["criteria", achievement.criteria.narrative],
    ["points", `${results[0].value} / ${results[0].most}`],
    ["labs", results.slice(1, ranked).map((lab) => `${lab.name}: ${lab.value} / ${lab.most}`)],
    ["places", places(results.slice(ranked))],
    ["evidence", [word("evidence_count", { count: files.length }), ...files.map((file) => file.name)]],
    ["assurance", subject[`${NAMESPACE}assurance`]],
    ["endorsement", (achievement.endorsement ?? []).flatMap(
      (one) => [one.issuer.name, one.name, one.credentialSubject.endorsementComment],
    )],
    ["dated", moment(certificate.validFrom)],
    ["until", certificate.validUntil ? moment(certificate.validUntil) : ""],
    ["asked", told.asked],
  ];
  const listed = lines.map(([label, value]) => [label, [value].flat().join("\n")]);
  return { title: `${name.identityHash} · ${achievement.name}`, lines: listed.filter(([, value]) => value) };
}

function places(results) {
  const found = [];
  for (let index = 0; index < results.length; index += 3) {
    const [place, tied, field] = results.slice(index, index + 3);
    const name = place.name.slice(0, place.name.lastIndexOf(" · "));
    found.push(word("place", { name, place: place.value, tied: tied.value, field: field.value }));
  }
  return found;
}

function moment(written) {
  return written.endsWith("Z") ? `${written.slice(0, 16).replace("T", " ")} UTC` : written;
}

// ---- the page

function made(name, content = "", attributes = {}) {
  const element = document.createElement(name);
  element.append(...[content].flat());
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  return element;
}

function sheet(item) {
  const box = made("input", "", { type: "checkbox", name: "chosen", value: item.digest });
  const facts = made("dl", item.lines.flatMap(([label, value]) => [made("dt", words[label]), made("dd", value)]));
  facts.append(made("dt", words.hash), made("dd", made("code", item.digest)));
  const sheet_ = made("li", [made("label", [box, ` ${item.title}`], { class: "choice" }), facts]);
  if (item.written !== null) {
    const whole = made("pre", JSON.stringify(item.certificate, null, 2), { tabindex: "0" });
    sheet_.append(made("details", [made("summary", words.whole), whole]));
  }
  return sheet_;
}

function say(kind, text, more = []) {
  const said = at("said");
  said.className = `note ${kind}`;
  said.replaceChildren(text, ...more.flatMap((line) => [made("br"), line]));
  said.hidden = false;
  said.focus();
}

function showKey(supported) {
  const known = state.key;
  at("key-state").textContent = words[supported ? nameOfState() : "unsupported"];
  at("key-name").hidden = !known;
  if (known) {
    const since = word("key_since", { by: known.by, since: moment(known.since) });
    at("key-name").replaceChildren(`${since} `, made("code", known.multibase));
  }
  at("enrol").hidden = !(supported && state.enrolling);
  at("enrol-about").hidden = !known;
}

function nameOfState() {
  if (state.key) return key ? "key_here" : "key_elsewhere";
  if (!state.enrolling) return "key_no_code";
  return state.elsewhere ? "key_file" : "key_none";
}

function showDocuments() {
  at("waiting").hidden = state.elsewhere;
  at("count").textContent = shown.length
    ? word("shown", { shown: shown.length, count: state.count }) : words.none;
  at("decide").hidden = shown.length === 0;
  at("explain").hidden = shown.length === 0 || !key;
  at("documents").replaceChildren(...shown.map(sheet));
  at("sign").hidden = !key;
  at("sign-all").textContent = word("sign_all", { count: signable().length });
}

function signable() {
  return shown.filter((item) => item.written !== null);
}

async function load() {
  state = await ask("signing.json");
  const supported = await isSupported();
  key = undefined;
  if (supported) {
    await destroy(state.retired);
    key = state.key ? await find(state.key.multibase) : undefined;
  }
  shown = await Promise.all(state.documents.map(take));
  showKey(supported);
  showDocuments();
}

// ---- what a person does

async function enrol() {
  let name;
  try {
    name = await make();
  } catch {
    throw new Trouble(words.not_stored);
  }
  try {
    const statement = canonical({
      type: "BrowserKeyEnrolment", did: state.did, publicKeyMultibase: name, token: root.dataset.token,
    });
    const signature = multibase(await sign(await find(name), new TextEncoder().encode(statement)));
    await ask("key", { code: at("code").value, publicKeyMultibase: name, signature });
  } catch (trouble) {
    await forget(name);
    throw trouble;
  }
  at("code").value = "";
  await load();
  say("good", words.enrolled);
}

/** Destroy a key unless it was registered and only the answer was lost. */
async function forget(name) {
  try {
    const now = await ask("signing.json");
    if (now.key?.multibase !== name) await destroy([name]);
  } catch {
    // It stays: a key that is in no trust file signs nothing that counts.
  }
}

/** Return the settings of a proof, if they are those that this page makes and of this moment. */
async function checked(settings, item) {
  const wanted = {
    "@context": item.certificate["@context"],
    type: "DataIntegrityProof",
    cryptosuite: "eddsa-jcs-2022",
    created: settings.created,
    verificationMethod: `${state.did}#${state.key.multibase}`,
    proofPurpose: "assertionMethod",
  };
  if (canonical(settings) !== canonical(wanted)) {
    const before = state.key.multibase;
    const same = canonical({ ...settings, verificationMethod: wanted.verificationMethod }) === canonical(wanted);
    if (same) await load(); // perhaps another key was registered since this page was loaded
    throw new Trouble(state.key?.multibase === before ? words.other_settings : words.other_key);
  }
  const apart = Math.abs(Date.parse(settings.created) - Date.now()) / 1000;
  if (!(apart <= MOST_SECONDS_APART)) throw new Trouble(words.clock);
  return settings;
}

async function signAll(items) {
  if (items.length === 0) throw new Trouble(words.nothing_chosen);
  say("", words.signing);
  const options = (await ask("options", { digests: items.map((item) => item.digest) })).answers;
  const proofs = {};
  const refused = [];
  for (const item of items) {
    const { answer, said } = options[item.digest];
    if (answer) {
      const settings = await checked(answer, item);
      const signature = await sign(key, await signingInput(settings, item.written));
      proofs[item.digest] = { ...settings, proofValue: multibase(signature) };
    } else {
      refused.push(`${item.title}: ${said}`);
    }
  }
  const answers = Object.keys(proofs).length ? (await ask("signatures", { proofs })).answers : {};
  for (const [digest, { answer, said }] of Object.entries(answers)) {
    if (!answer) refused.push(`${items.find((item) => item.digest === digest).title}: ${said}`);
  }
  const count = items.length - refused.length;
  await load();
  const told = [...(count ? [word("signed", { count })] : [])];
  if (refused.length) told.push(word("not_signed", { count: refused.length }), ...refused);
  say(refused.length ? "bad" : "good", told[0], told.slice(1));
}

/** Do one thing at a time, and say what came between. */
async function attempt(work) {
  if (root.dataset.busy) return;
  root.dataset.busy = "1";
  try {
    await work();
  } catch (trouble) {
    say("bad", trouble instanceof Trouble ? trouble.message : words.no_answer);
    if (!(trouble instanceof Trouble)) throw trouble;
  } finally {
    delete root.dataset.busy;
  }
}

function chosen() {
  const ticked = new Set([...at("decide").querySelectorAll("input:checked")].map((box) => box.value));
  return signable().filter((item) => ticked.has(item.digest));
}

at("enrol").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(enrol);
});
at("sign-chosen").addEventListener("click", () => attempt(() => signAll(chosen())));
at("sign-all").addEventListener("click", () => attempt(() => signAll(signable())));
attempt(load);
