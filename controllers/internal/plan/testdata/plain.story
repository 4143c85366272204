# Two plain steps. All targets of a step go at once; the next step begins when the slowest has ended.
targets: [web-2 web, db-1 db, web-1 web]
steps:
- {name: prepare, run: {shell: Bash, script: ./prepare}}
- {name: install, roles: [web], run: {shell: Bash, script: ./install}}
actions:
  db-1 prepare: {takes: 25s}
-- story --
00:00    db-1 begins prepare
00:00    web-1 begins prepare
00:00    web-2 begins prepare
00:00    (prepare completes db-1)
00:10  web-1 prepare: Succeeded
00:10  web-2 prepare: Succeeded
00:25  db-1 prepare: Succeeded
00:25    web-1 begins install
00:25    web-2 begins install
00:25    (install completes web-1)
00:25    (install completes web-2)
00:35  web-1 install: Succeeded
00:35  web-2 install: Succeeded
00:35  run Succeeded (Succeeded): all steps succeeded on 3 targets

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:3 Failed:0 Skipped:0 Unreached:0}
step   prepare        Succeeded 3/3
step   install        Succeeded 2/2
target web-2          Succeeded
target db-1           Succeeded
target web-1          Succeeded
