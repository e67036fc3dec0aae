"""The ways by which notices leave: mail by SMTP, and a signed webhook to the merchant's own sender."""
