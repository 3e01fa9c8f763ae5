"""The certificate core, which stands alone: documents, proofs, keys, status lists, trust and verification."""
