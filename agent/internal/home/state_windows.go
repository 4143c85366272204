package home

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// closeState lets only SYSTEM, administrators and the account of the Tentacle into the state folder and all
// that is in it. That account is, for one who may not administer the machine, the one that makes the home; Grant
// names another. A folder whose access list was taken from its parent's hand already is left as it is.
func closeState(dir string) error {
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	control, _, err := sd.Control()
	if err != nil || control&windows.SE_DACL_PROTECTED != 0 {
		return err
	}
	token := windows.GetCurrentProcessToken()
	if token.IsElevated() {
		return setAccess(dir)
	}
	user, err := token.GetTokenUser()
	if err != nil {
		return err
	}
	return setAccess(dir, user.User.Sid)
}

// Grant makes account the one that the daemon runs as: with SYSTEM and administrators it is the only one that
// may read or change the state folder.
func (h Home) Grant(account string) error {
	sid, _, _, err := windows.LookupSID("", account)
	if err != nil {
		return fmt.Errorf("looking up account %q: %w", account, err)
	}
	return setAccess(h.State(), sid)
}

// setAccess replaces the access list of a folder, for what is in it and will be in it, too.
func setAccess(dir string, accounts ...*windows.SID) error {
	sddl := "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
	for _, sid := range accounts {
		sddl += "(A;OICI;FA;;;" + sid.String() + ")"
	}
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}
