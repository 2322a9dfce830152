"""What a capture from the field holds: SIP messages, and the registrations, subscriptions, lamps and calls in them."""
