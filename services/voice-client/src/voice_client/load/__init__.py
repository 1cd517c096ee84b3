"""`voice-client load`: many calls at the pace of real time, and what a caller would have noticed, as numbers.

  caller.py, playout.py    one caller: when it speaks, what it hears. Pure; the time is an argument
  scores.py, knee.py, gates.py, comparison.py, metrics.py, tables.py, charts.py, html.py
                           from what was heard to percentiles, verdicts, tables and plots. Pure
  doors.py                 one adapter for each contract: bytes from and to what a caller says and hears
  script.py, voice.py      what callers say
  wheel.py, wire.py        the clock of all calls, and the gRPC stream of one
  run.py, server.py, echo.py, machine.py, command.py
                           a run, what it costs the server, the baseline, the machine, the command line

Instants are nanoseconds of `time.monotonic_ns`.
"""
