# A machine whose engine is too old fails with nothing sent; another child of the step is not tried there, while the next
# step with condition Always is.
targets: [web-1, web-2]
settings: {unavailableTargets: Skip}
steps:
- name: web
  window: 2
  steps:
  - {name: install, deploy: {package: web}}
  - {name: repair, condition: Failure, run: {shell: Bash, script: ./repair}}
- {name: tell, condition: Always, run: {shell: Bash, script: ./tell}}
actions:
  web-2 web/install: {unsent: EngineTooOld}
  web-2 tell: {unsent: EngineTooOld}
-- story --
00:00    web-1 begins web/install
00:00    web-2 begins web/install
00:01  web-2 web/install: Failed (EngineTooOld), not sent
00:10  web-1 web/install: Succeeded
00:10    web-1 web/repair: Skipped (Condition): nothing has failed in the rolling step on this target
00:10    web-1 begins tell
00:10    web-2 begins tell
00:10    (tell completes web-1)
00:11  web-2 tell: Failed (EngineTooOld), not sent
00:20  web-1 tell: Succeeded
00:20  run Failed (Failed): web/install failed on web-2: EngineTooOld (and 1 more); of 2 targets 1 succeeded, 1 failed

progress 2/2, targets: {Total:2 Pending:0 Running:0 Succeeded:1 Failed:1 Skipped:0 Unreached:0}
step   web/install    Failed    1/2
step   web/repair     Skipped   0/2
step   tell           Failed    1/2
target web-1          Succeeded
target web-2          Failed    EngineTooOld
failure web-2 web/install attempt 1: EngineTooOld
failure web-2 tell attempt 1: EngineTooOld
