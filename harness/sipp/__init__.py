"""SIPp beside our phones: traffic of a kind that a phone does not make, driven by pysipp.

The only room that knows pysipp (see `adapter`). Both SIPp and the extra `sipp` are optional: SippMissing says in words
what is not there.
"""

from harness.sipp.adapter import SippMissing
from harness.sipp.running import Outcome, Part, Sipp

__all__ = ["Outcome", "Part", "Sipp", "SippMissing"]
