# What an action needs never comes. It holds its place in the window, says for what it waits, and fails after an hour.
targets: [web-1, web-2, web-3]
steps:
- {name: install, window: 2, timeout: 1m, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {prepares: ever, for: NotPrepared secret db is not there}
  web-2 install: {takes: 30s}
-- story --
00:00    web-1 begins install (1 of 2 in flight)
00:00    web-2 begins install (2 of 2 in flight)
00:00    (install completes web-1)
00:00    (install completes web-2)
00:00  ? Running (NotPrepared): install waits on web-1: secret db is not there
00:30  web-2 install: Succeeded
00:30    web-3 begins install (2 of 2 in flight)
00:30    (install completes web-3)
00:40  web-3 install: Succeeded
00:40  ? Waiting (NotPrepared): install waits on web-1: secret db is not there
60:00    web-1 install is given up: it was not sent within 1h0m0s: NotPrepared: secret db is not there
60:00  web-1 install: Failed (NotPrepared): secret db is not there
60:00  run Failed (Failed): install failed on web-1: secret db is not there; of 3 targets 2 succeeded, 1 failed

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:2 Failed:1 Skipped:0 Unreached:0}
step   install        Failed    2/3
target web-1          Failed    NotPrepared
target web-2          Succeeded
target web-3          Succeeded
failure web-1 install attempt 1: NotPrepared
