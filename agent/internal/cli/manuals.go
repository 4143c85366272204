package cli

import "slices"

// How commands may end. Those of every command that opens a home are in home's list.
var (
	plainly = []int{ExitOK, ExitUsage}
	ofHome  = []int{ExitOK, ExitFailed, ExitUsage, ExitNotInitialised, ExitConfig, ExitState}
	ofState = []int{ExitOK, ExitFailed, ExitUsage, ExitNotInitialised, ExitState}
)

// The files that commands are about.
const (
	configFile    = "<home>/.tentacle/config.yaml      settings"
	keyFile       = "<home>/.tentacle/key.pem          private key"
	certFile      = "<home>/.tentacle/certificate.pem  certificate"
	formerFiles   = "<home>/.tentacle/identities/      former keys and certificates"
	trustFile     = "<home>/.tentacle/trust.json       trusted operators"
	policyFile    = "<home>/.tentacle/policy.yaml      the owner's rules; may be missing"
	ticketFiles   = "<home>/.tentacle/tickets/         what is known of scripts, and their output"
	stoneFiles    = "<home>/.tentacle/tombstones/      completed scripts, for 30 days"
	pendingFile   = "<home>/.tentacle/pending.json     who tried and was refused"
	auditFiles    = "<home>/.tentacle/audit/           the audit log and its head"
	unitFile      = "/etc/systemd/system/tentacle.service"
	octopusKeys   = "/etc/machine-id, /etc/octopus/machinekey  the key of the Octopus Tentacle (Linux)"
	nextShow      = "Commit what 'tentacle show --manifest' prints, or look at it with 'tentacle show'."
	nextTell      = "Tell every operator the new thumbprint before it deploys here again, then start the\ndaemon again: 'tentacle service stop', 'tentacle service start'."
	nextTrustList = "'tentacle trust list' shows who is trusted, 'tentacle scripts' what they run."
)

// manuals are by the path of the command. A test holds that every command has one.
func manuals() map[string]manual {
	return map[string]manual{
		"tentacle": {exits: []int{ExitOK, ExitFailed, ExitUsage, ExitNotInitialised, ExitConfig, ExitRunning, ExitListen, ExitState, ExitTampered}},

		"tentacle init":    {setUp, "Open the port ('tentacle firewall' prints the rule), run it ('tentacle service install\n--start'), and commit what 'tentacle show --manifest' prints.", []string{configFile, keyFile, certFile, trustFile}, without(ofHome, ExitNotInitialised)},
		"tentacle import":  {setUp, "Stop and uninstall the service of the Octopus Tentacle, as both want the same port, then\n'tentacle service install --start'. 'tentacle doctor' says what is still missing.", []string{octopusKeys, configFile, keyFile, certFile, formerFiles, trustFile}, without(ofHome, ExitNotInitialised)},
		"tentacle show":    {setUp, "Commit the manifest beside your other targets; 'kubectl get dt' then says whether the\noperator gets through. 'tentacle doctor' looks at the machine's side.", []string{configFile, certFile, trustFile, policyFile}, ofHome},
		"tentacle run":     {setUp, "'tentacle service install' lets the machine's service manager do this.", []string{configFile, keyFile, certFile, trustFile, policyFile, ticketFiles}, []int{ExitOK, ExitFailed, ExitUsage, ExitNotInitialised, ExitConfig, ExitRunning, ExitListen, ExitState}},
		"tentacle version": {watch, "'tentacle show' tells of the Tentacle that this program serves.", nil, plainly},

		"tentacle firewall": {setUp, "Give the rule to whoever keeps the firewall, of the machine and on the way to it. Whether\noperators get through is seen from their side.", []string{configFile}, without(ofHome, ExitState)},

		"tentacle service":           {setUp, "", []string{unitFile}, ofHome},
		"tentacle service install":   {setUp, "'tentacle service start', unless --start was given; then 'tentacle doctor'.", []string{unitFile}, ofHome},
		"tentacle service uninstall": {setUp, "Remove the home by hand if the machine is to forget who it was.", []string{unitFile}, ofHome},
		"tentacle service start":     {setUp, "'tentacle service status' or 'tentacle doctor'.", nil, ofHome},
		"tentacle service stop":      {setUp, "'tentacle scripts' lists what goes on, 'tentacle service start' starts the next daemon.", []string{ticketFiles}, ofHome},
		"tentacle service status":    {setUp, "'tentacle doctor' looks deeper.", []string{unitFile, ticketFiles}, ofHome},

		"tentacle certificate":        {setUp, "", []string{keyFile, certFile, formerFiles}, ofState},
		"tentacle certificate new":    {setUp, nextTell, []string{keyFile, certFile, formerFiles}, ofState},
		"tentacle certificate import": {setUp, nextTell, []string{keyFile, certFile, formerFiles}, ofState},
		"tentacle certificate export": {setUp, "'tentacle certificate import FILE' on the machine that takes this one's place.", []string{keyFile, certFile}, ofState},

		"tentacle trust":         {owner, "", []string{trustFile}, ofState},
		"tentacle trust list":    {owner, "'tentacle trust add' or 'remove'.", []string{trustFile}, ofState},
		"tentacle trust add":     {owner, nextTrustList, []string{trustFile}, ofState},
		"tentacle trust remove":  {owner, nextTrustList, []string{trustFile, ticketFiles}, ofState},
		"tentacle trust pending": {owner, "'tentacle trust approve', where the thumbprint is that of an operator you expect.", []string{pendingFile}, ofState},
		"tentacle trust approve": {owner, nextTrustList, []string{trustFile, pendingFile}, ofState},
		"tentacle trust ignore":  {owner, "'tentacle trust pending' lists the others.", []string{pendingFile}, ofState},

		"tentacle policy":       {owner, "", []string{policyFile}, []int{ExitOK, ExitFailed, ExitUsage, ExitConfig}},
		"tentacle policy check": {owner, "Put the file in place with the command that is printed: as <home>/.tentacle/policy.yaml, with\nmode 0600 and the owner of the folder. It takes effect at the next request.", []string{policyFile}, []int{ExitOK, ExitFailed, ExitUsage, ExitConfig}},

		"tentacle audit":        {watch, "'tentacle audit verify' says whether a line was changed.", []string{auditFiles}, ofState},
		"tentacle audit verify": {watch, "Keep the head that it prints elsewhere: with it a cut tail is found, too.", []string{auditFiles}, append(slices.Clone(ofState), ExitTampered)},

		"tentacle doctor":       {watch, "Do what it says at each line that is not ok, and run it again.", []string{configFile, keyFile, certFile, trustFile, policyFile}, ofHome},
		"tentacle scripts":      {watch, "'tentacle scripts logs TICKET' prints the output of one.", []string{ticketFiles, stoneFiles}, ofState},
		"tentacle scripts logs": {watch, "'tentacle scripts' lists the others.", []string{ticketFiles}, ofState},

		"tentacle supervise": {programs, "", []string{"DIR/command, DIR/result and others; see agent/internal/process"}, nil},
		"tentacle step":      {programs, "", []string{"FILE  the plan of the step; see api/step"}, nil},
	}
}

func without(codes []int, code int) []int {
	return slices.DeleteFunc(slices.Clone(codes), func(c int) bool { return c == code })
}
