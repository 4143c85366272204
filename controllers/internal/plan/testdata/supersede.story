# Another release is wished in the middle: those in flight finish their children, no further target begins.
targets: [web-1, web-2, web-3, web-4]
steps:
- name: web
  window: 50%
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: install, deploy: {package: web}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
- {name: tell, condition: Always, run: {shell: Bash, script: ./tell}}
actions:
  web-2 web/install: {exit: 2}
events:
- {at: 15s, stop: Supersede}
-- story --
00:00    web-1 begins web/drain (1 of 2 in flight)
00:00    web-2 begins web/drain (2 of 2 in flight)
00:10  web-1 web/drain: Succeeded
00:10  web-2 web/drain: Succeeded
00:10    web-1 begins web/install (1 of 2 in flight)
00:10    web-2 begins web/install (2 of 2 in flight)
00:15  ! the binding asks for another release
00:20  web-1 web/install: Succeeded
00:20  web-2 web/install: Failed
00:20    web-1 begins web/undrain (1 of 2 in flight)
00:20    web-2 begins web/undrain (2 of 2 in flight)
00:30  web-1 web/undrain: Succeeded
00:30  web-2 web/undrain: Succeeded
00:30  run Superseded (Superseded): superseded by another release; of 4 targets 1 failed, 1 skipped or not finished, 2 not started or not reached

progress 2/4, targets: {Total:4 Pending:0 Running:0 Succeeded:0 Failed:1 Skipped:1 Unreached:2}
step   web/drain      Succeeded 2/4
step   web/install    Failed    1/4
step   web/undrain    Succeeded 2/4
step   tell           Skipped   0/4
target web-1          Cancelled Superseded
target web-2          Failed    ExitCode
target web-3          Skipped   Superseded
target web-4          Skipped   Superseded
failure web-2 web/install attempt 1: ExitCode
