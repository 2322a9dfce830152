"""`ringproof bench`: what our phones cost beside what SIPp costs for the same work."""
