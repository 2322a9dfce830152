"""The devices part of the API: envelope, authentication, documents, sync."""
