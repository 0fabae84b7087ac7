"""Mailchimp campaigns, step by step, and their results."""
