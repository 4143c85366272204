# After a failure the steps with condition Failure or Always still run, on all their targets, also where one of these
# fails in them; a Failure step that was passed over before does not run for a later failure.
targets: [web-1, web-2, web-3]
steps:
- {name: early, condition: Failure, run: {shell: Bash, script: ./early}}
- {name: install, window: 1, run: {shell: Bash, script: ./install}}
- {name: boast, run: {shell: Bash, script: ./boast}}
- {name: rollback, condition: Failure, window: 1, run: {shell: Bash, script: ./rollback}}
- {name: tell, condition: Always, run: {shell: Bash, script: ./tell}}
actions:
  web-2 install: {exit: 3}
  web-1 rollback: {exit: 4}
-- story --
00:00    web-1 begins install (1 of 1 in flight)
00:10  web-1 install: Succeeded
00:10    web-2 begins install (1 of 1 in flight)
00:20  web-2 install: Failed
00:20    web-1 begins rollback (1 of 1 in flight)
00:30  web-1 rollback: Failed
00:30    web-2 begins rollback (1 of 1 in flight)
00:40  web-2 rollback: Succeeded
00:40    web-3 begins rollback (1 of 1 in flight)
00:50  web-3 rollback: Succeeded
00:50    web-1 begins tell
00:50    web-2 begins tell
00:50    web-3 begins tell
01:00  web-1 tell: Succeeded
01:00  web-2 tell: Succeeded
01:00  web-3 tell: Succeeded
01:00  run Failed (Failed): install failed on web-2: exit code 3 (and 1 more); of 3 targets 2 failed, 1 skipped or not finished

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:0 Failed:2 Skipped:1 Unreached:0}
step   early          Skipped   0/3
step   install        Failed    1/3
step   boast          Skipped   0/3
step   rollback       Failed    2/3
step   tell           Succeeded 3/3
target web-1          Failed    ExitCode
target web-2          Failed    ExitCode
target web-3          Cancelled Stopped
failure web-2 install attempt 1: ExitCode
failure web-1 rollback attempt 1: ExitCode
