"""A stateful stand-in for Mailchimp's Marketing and Transactional APIs, in a process of its own.

It must never import `service` or `workers`: it knows Mailchimp, not Kindling.
"""
