"""Our members and the Mailchimp audience, kept alike in both directions."""
