"""What is read of certificates: requests, credentials, the log, papers, share links, evidence."""
