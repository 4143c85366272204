# Roles change during the run. What addresses a target is fixed when the run begins, so web-1 and web-2 do the step whose
# role they lose, and db-1, which is given it, does not.
targets: [web-1 web, web-2 web, db-1 db]
steps:
- name: web
  roles: [web]
  steps:
  - {name: drain, run: {shell: Bash, script: ./drain}}
  - {name: undrain, run: {shell: Bash, script: ./undrain}}
- {name: tell, window: 1, run: {shell: Bash, script: ./tell}}
events:
- {at: 5s, roles: web-1=}
- {at: 15s, roles: web-2=app}
- {at: 25s, roles: db-1=db web}
-- story --
00:00    web-1 begins web/drain (1 of 1 in flight)
00:05  ! web-1 has the roles "" now
00:10  web-1 web/drain: Succeeded
00:10    web-1 begins web/undrain (1 of 1 in flight)
00:15  ! web-2 has the roles "app" now
00:20  web-1 web/undrain: Succeeded
00:20    web-2 begins web/drain (1 of 1 in flight)
00:25  ! db-1 has the roles "db web" now
00:30  web-2 web/drain: Succeeded
00:30    web-2 begins web/undrain (1 of 1 in flight)
00:40  web-2 web/undrain: Succeeded
00:40    db-1 begins tell (1 of 1 in flight)
00:40    (tell completes db-1)
00:50  db-1 tell: Succeeded
00:50    web-1 begins tell (1 of 1 in flight)
00:50    (tell completes web-1)
01:00  web-1 tell: Succeeded
01:00    web-2 begins tell (1 of 1 in flight)
01:00    (tell completes web-2)
01:10  web-2 tell: Succeeded
01:10  run Succeeded (Succeeded): all steps succeeded on 3 targets

progress 3/3, targets: {Total:3 Pending:0 Running:0 Succeeded:3 Failed:0 Skipped:0 Unreached:0}
step   web/drain      Succeeded 2/2
step   web/undrain    Succeeded 2/2
step   tell           Succeeded 3/3
target web-1          Succeeded
target web-2          Succeeded
target db-1           Succeeded
