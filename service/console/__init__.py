"""The facilitator's pages: a face on our own API. What may be done, by whom and what it leaves in the audit trail is decided there."""
