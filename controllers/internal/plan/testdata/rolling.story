# The children of a rolling step run in order on one target before the next target begins. db-1 is not addressed.
targets: [web-1 web, web-2 web, db-1 db]
steps:
- name: web
  roles: [web]
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: install, deploy: {package: web}}
  - {name: undrain, condition: Always, run: {shell: Bash, script: ./undrain}}
- {name: tell, run: {shell: Bash, script: ./tell}}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:10  web-1 web/drain: Succeeded
00:10    web-1 begins web/install (1 of 1 in flight)
00:20  web-1 web/install: Succeeded
00:20    web-1 begins web/undrain (1 of 1 in flight)
00:30  web-1 web/undrain: Succeeded
00:30    web-2 begins web/drain (1 of 1 in flight)
00:40  web-2 web/drain: Succeeded
00:40    web-2 begins web/install (1 of 1 in flight)
00:50  web-2 web/install: Succeeded
00:50    web-2 begins web/undrain (1 of 1 in flight)
01:00  web-2 web/undrain: Succeeded
01:00    db-1 begins tell
01:00    web-1 begins tell
01:00    web-2 begins tell
01:00    (tell completes db-1)
01:00    (tell completes web-1)
01:00    (tell completes web-2)
01:10  db-1 tell: Succeeded
01:10  web-1 tell: Succeeded
01:10  web-2 tell: Succeeded
01:10  run Succeeded (Succeeded): all steps succeeded on 3 targets

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:3 Failed:0 Skipped:0 Unreached:0}
step   web/drain      Succeeded 2/2
step   web/install    Succeeded 2/2
step   web/undrain    Succeeded 2/2
step   tell           Succeeded 3/3
target web-1          Succeeded
target web-2          Succeeded
target db-1           Succeeded
