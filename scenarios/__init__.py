"""The shipped scenario files, the clauses that they test, and the schema for editors."""
