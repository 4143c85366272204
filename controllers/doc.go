// Package controllers is the operator. It has one package for each kind, and Setup, which adds everything that runs to the
// manager.
//
// # How a deployment flows
//
//	ReleaseBinding ──► binding ──► DeploymentRun ──► run ◄────────── reports ──────────┐
//	      ▲                                           │                                │
//	      │                           plan ◄── ledger ┴──► dispatch ──► session ──► machine
//	      │                                      │        (compose)
//	      └── target: status.installed ◄── DeploymentRunSlice
//
// Package binding compares the desired release with status.installed of its targets, and creates a run if they differ. The
// run waits until everything that it needs is ready, selects its targets and writes them into slices. From then on each
// reconcile (in this code: a pass) takes the reports of its actions into the ledger, asks plan what to do next, writes that
// into the slices, and only then hands actions to dispatch. An action builds what it sends (compose). A session sends it to
// the machine, starts it once, by its ticket, and follows it. Each report of an action enqueues the run again. Once a slice
// has a result, the machine is told that it may delete its own copy. Package target copies the results from the slices to
// status.installed, and the binding becomes Ready.
//
// A pass never waits for a machine or a package. When their work is done, they enqueue the object again.
//
// # Imports
//
// The packages of kinds do not import each other. The packages in controllers/internal are in these groups, which depguard
// and forbidigo check (.golangci.yml):
//
//	pure       plan scope desired text          no context, client, clock or logger
//	state      ledger                           makes no decisions and sends nothing; plan reads its attempts
//	actions    compose dispatch recorded        dispatch is given what it sends, and has no client of the API server
//	external   session                          the only one that connects to machines; no client of the API server
//	           feed packages                    the only ones that fetch packages, and store them on disk
//	           logs                             the only one that stores output on disk
//	           identity snapshot status         the only ones for keys, frozen processes, and the status of objects
//	helpers    access addresses fair lease metrics notify optional turns
//
// # What is kept in memory
//
// All of it may be lost: the next process rebuilds it from the API server, the machines and the disk. The columns are: what
// is kept | the key | the bound | when it is removed | what happens after a loss. Below each row are the tests that fail
// if the code that removes it is missing. A dash means none.
//
// Of runs:
//
//	runs of package run | name | unfinished runs | when the run ends or is deleted | the slices are read again
//	    run: ARunThatHasEndedLeavesNothing, ARunThatVanishesLeavesNothing
//	turns | project and environment | one for each run | with the run, or when it waits for something else | the API server is asked
//	    run: ATurnIsGivenBack, ARunThatVanishesLeavesNothing
//	runs that start, that wait for the actions of others, and that a change of a target concerns | namespace | unfinished runs | when they start, end or are deleted | each is considered once more
//	    run: ARunStartsOnceTheActionsOfOthersHaveStarted, AChangeOfATargetWakesOnlyTheRunsThatItConcerns, ARunThatVanishesLeavesNothing
//	deleted runs | name | those since the last pass of that name | with the next pass of that name | logs are removed at the next start
//	    run: ARunThatVanishesLeavesNothing
//	the ledger of a run | target and step | the contents of 500 slices | with the run, or after a conflict | it is loaded again
//	    run: ARunThatHasEndedLeavesNothing; ledger: AResultIsFinal, OutputsAreTheSameForTheNextLeader
//	events about waiting | run and reason | 8 for each run | with the run | each event is sent once more
//	    run: FewEventsTellWhatARunWaitsFor, ARunThatVanishesLeavesNothing
//	runs to take over | name | runs that were unfinished when this replica became the leader | with their next pass | the time is not measured
//	    run: ATakeoverIsOverWhenEachRunHadItsPass
//	values of a run | kind and name | 512 objects, 8 MiB | after 5 s | they are read again
//	    compose: ASecretIsReadOnceAndNotKept, SecretsGoThoughNobodyAsksAnyMore, WhatIsKeptOfARunsValuesIsBounded
//	packages of a run | - | the packages of its release | with the ledger | the release is read again
//	    run: ARunThatHasEndedLeavesNothing
//
// Of actions and machines:
//
//	actions | ticket, run, target | actions in flight | when the machine has acknowledged the result, when dropped, or with the run | the machines are asked
//	    dispatch: NothingIsKeptOfARunWithoutActions; run: ARunThatAnotherProcessEndsLeavesNothing
//	turns of actions | namespace | 10,000 of one namespace run, 512 of them are being sent, the others wait | with their actions | -
//	    dispatch: NothingIsKeptOfARunWithoutActions, ActionsOfOneNamespaceAreBounded, FewAreOnTheirWayAtOnce
//	actions that wait for others | namespace | the running actions in the slices | when their turn comes, or with the action | the machines are asked
//	    dispatch: NothingIsKeptOfARunWithoutActions
//	answers of machines | namespace | 16 MiB at once, 16 MiB per second | when decoded and within the rate | -
//	    session: AnswersTakeRoom
//	clients and endpoints | identity, address and pin | machines in use | 5 s after the last use, 20 s after a script | they are dialled again
//	    session: NothingIsKeptOfAMachineThatNobodyWorksWith, ConnectionsAreBoundedAndGoWhenNobodyWorks
//	TLS sessions and capabilities of machines | identity, address and pin | 10,000, the least used are removed | if another process answers, after a failure | a full handshake and one more request
//	    session: MachinesAreRememberedWithinABound; dispatch: CapabilitiesAreAskedAgainOfAnotherProcess
//	contents of an endpoint | digest | 4,096 | with the endpoint | the machine is asked
//	    session: WhatAMachineHoldsIsRememberedWithinABound
//	results to acknowledge | endpoint | 1,024 for each endpoint | when acknowledged, after six tries, or with a deleted run | the machine deletes its copy by age
//	    session: AMachineThatStaysAwayIsGivenUp, OfARunThatIsGoneNoMachineIsTold
//	engines | file | one for each system | when the file changes | the files are read again
//	    session: AnEngineIsReadAgainWhereItIsAnother
//	followed scripts | namespace | --max-followers, one namespace at most three quarters | when a request is answered | -
//	    session: APlaceAmongTheFollowedIsGivenBack
//	turns to dial, to dial unavailable machines, to prepare and to check health | namespace | 64, 64, 64 and 256 at once | when the turn is over | -
//	    turns: NothingIsKeptOfAKeyThatNobodyUses
//	health checks | name of the target | targets with health checks | with the target, or when its policy becomes Never | each machine is checked again
//	    target: ATargetThatIsGoneIsForgotten, ATargetThatIsDeletedIsNotLookedAtAnyMore
//	the number of unhealthy machines | - | one number | when they become healthy or are forgotten | they are counted again
//	    target: AMachineThatIsAwayIsCheckedOften
//	versions of targets that were replaced | name of the target | writes that the cache does not show yet | with the next version, or with the target | a write conflicts and is repeated
//	    target: ATargetIsNotWrittenFromAVersionThatWasReplaced
//	counts of health checks | result | the reasons of a target | never | they start at 0
//	    -
//	write times of an environment | name | environments | with the environment | each status is written once more
//	    environment: AnEnvironmentThatIsGoneIsForgotten
//
// Of packages, keys, processes and logs:
//
//	entries of the package cache | name of the package | those with an owner, 4,096 for each namespace | with the last owner, failures later | they are requested again
//	    packages: NothingIsKeptForOwnersThatAreGone, ANamespaceAsksForABoundedNumberOfPackages; release: TheCacheForgetsAReleaseThatIsDeleted; run: ARunThatHasEndedLeavesNothing
//	turns to fetch | namespace | requested fetches | when fetched | -
//	    packages: NamespacesTakeTurns
//	archives, on disk | digest | 4,096, 20 GiB | the least recently used archive of the namespace with the most | their notes are read again
//	    packages: TheOldestGoesWhenTheCacheIsFull, MuchOfOneNamespaceTakesNothingOfAnothersAway
//	identities | UID of the namespace | 4,096 | with the namespace; Secrets are read again after 10 s | Secrets are read
//	    identity: NoKeyIsKeptOfANamespaceThatIsGone, HowManyNamespacesAreRememberedIsBounded
//	processes, in five readers | name and UID of the snapshot | 256, 64 MiB of JSON | the least recently used | they are decoded again
//	    snapshot: AReaderKeepsWhatWasReadLately
//	clients that follow an output | namespace, address | 64; 16 of a namespace, 8 of an address | when they end | they request it again
//	    logs: FollowersAreBounded
//	sizes of logs | run, namespace | logs on disk, 5 GiB | with the run; the oldest of the namespace with the most | the disk is measured again
//	    logs: LogsGoWithTheirRuns, WhatIsCountedIsWhatIsThere, ShortLogsAreBoundedToo
//
// Of the controllers:
//
//	requests of a work queue, and start times of passes | namespace | objects that wait | with the last request | every object is enqueued
//	    fair: WhatComesMeanwhileIsNotLost
//	changes to map to requests | namespace, name | objects | when mapped | every object is enqueued
//	    fair: ChangesAreForgotten
//	requests to the API server | namespace | 8 at once; 2 if there are more; 32 if no other namespace has any | when the answer has been read | -
//	    turns: ANamespaceHasItsShareOfTheAPIServer, ANamespaceThatIsAloneHasMore, NothingIsKeptOfAKeyThatNobodyUses
//	namespaces with many requests | namespace | those of the last second | with the next one after a second | each has more at once
//	    turns: ACrowdIsForgottenAfterASecond
//	authentications of readers of metrics and logs | address | 16, 4 of one address | when the API server has answered | -
//	    logs: StrangersAskInTurn; turns: NothingIsKeptOfAKeyThatNobodyUses
//	metrics | outcome, phase, state | those in docs/operating.md | never | they start at 0
//	    -
//	pauses of bindings | name | bindings | with the binding | one pass of each
//	    binding: ABindingThatIsGoneIsForgotten
//	notifications before the start | name | objects | when the controller starts | every object is enqueued
//	    notify: WhatIsToldEarlyIsQueuedOnceAndNotKept
//	the lease | - | one reading of the clock | when it expires | it is acquired again
//	    lease: TheFenceClosesWhenTheLeaseHasRunOut
//	informers, back-off of queues, events | UID, name | objects; failed objects; events of a few minutes | with the object; after some time | they are listed again
//	    - (controller-runtime and client-go)
package controllers
