# Two in flight: while one fails, the other finishes its children; the third does not begin.
targets: [web-1, web-2, web-3]
steps:
- name: web
  window: 2
  steps:
  - {name: install, deploy: {package: web}}
  - {name: smoke, run: {shell: Bash, script: ./smoke}}
actions:
  web-1 web/install: {exit: 1, takes: 5s}
-- story --
00:00    web-1 begins web/install (1 of 2 in flight)
00:00    web-2 begins web/install (2 of 2 in flight)
00:05  web-1 web/install: Failed
00:05    web-1 web/smoke: Skipped (Condition): an earlier child of the rolling step failed on this target
00:10  web-2 web/install: Succeeded
00:10    web-2 begins web/smoke (1 of 2 in flight)
00:10    (web/smoke completes web-2)
00:20  web-2 web/smoke: Succeeded
00:20  run Failed (Failed): web/install failed on web-1: exit code 1; of 3 targets 1 succeeded, 1 failed, 1 not started or not reached

progress 2/3, targets: {Total:3 Pending:0 Running:0 Succeeded:1 Failed:1 Skipped:0 Unreached:1}
step   web/install    Failed    1/3
step   web/smoke      Succeeded 1/3
target web-1          Failed    ExitCode
target web-2          Succeeded
target web-3          Skipped   Stopped
failure web-1 web/install attempt 1: ExitCode
