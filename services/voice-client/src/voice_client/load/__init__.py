"""`voice-client load`: many calls at the pace of real time, and what a caller would have noticed, as numbers.

  caller.py, playout.py    one caller: when it speaks, what it hears. Pure; the time is an argument
  scores.py, metrics.py    from what was heard, and what the server tells of itself, to the numbers of a run. Pure
  knee.py, gates.py        which number of calls to try next, and what is good enough. Pure
  report/                  how it is kept and shown. Pure
  doors.py                 one adapter for each contract: bytes to send, bytes that came. Pure
  script.py, voice.py      what callers say
  wheel.py, wire.py        the clock of all calls, and the gRPC stream of one
  run.py, server.py, echo.py, machine.py
                           a run, a look at the server, the baseline, the machine
  options.py, command.py, screen.py
                           the command line, what follows from it, and the terminal

Instants are nanoseconds of `time.monotonic_ns`.
"""
