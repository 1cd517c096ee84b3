"""Fakes of every backend, on real sockets; what may go wrong with them is in `voicegateway_testkit.faults`."""
