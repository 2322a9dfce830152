"""The SIP core: header index, digest, transactions, scapy layers. No sockets, no clock."""
