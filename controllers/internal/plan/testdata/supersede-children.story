# A target that has begun finishes its children though the run was superseded long ago: the minute is each child's own.
targets: [web-1, web-2]
steps:
- name: web
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: install, deploy: {package: web}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
actions:
  web-1 web/drain: {takes: 10m}
  web-1 web/install: {prepares: 50s}
  web-1 web/undrain: {prepares: 50s}
events:
- {at: 5s, stop: Supersede}
- {at: 620s, set: web-2=Unavailable}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:05  ! the binding asks for another release
10:00  web-1 web/drain: Succeeded
10:00    web-1 begins web/install (1 of 1 in flight)
10:00  ? Running (Preparing): web/install waits on web-1: Preparing
10:20  ! web-2 is now Unavailable
11:00  web-1 web/install: Succeeded
11:00    web-1 begins web/undrain (1 of 1 in flight)
11:00    (web/undrain completes web-1)
11:00  ? Running (Preparing): web/undrain waits on web-1: Preparing
12:00  web-1 web/undrain: Succeeded
12:00  run Superseded (Superseded): superseded by another release; of 2 targets 1 succeeded, 1 not started or not reached

progress 1/2, targets: {Total:2 Pending:0 Running:0 Succeeded:1 Failed:0 Skipped:0 Unreached:1}
step   web/drain      Succeeded 1/2
step   web/install    Succeeded 1/2
step   web/undrain    Succeeded 1/2
target web-1          Succeeded
target web-2          Skipped   Superseded
