// Package octopus reads the configuration of an installed Octopus Tentacle (halibut.md section 7.1), so that a
// machine can change over and be known by the same thumbprint as before, to the same servers.
//
// Parse takes the XML file apart. Config.PFX opens the one value in it that is encrypted, the certificate with
// its private key. How it is encrypted depends on the system and on the version that wrote it:
//
//	Linux    base64 of AES-256-CBC (PKCS #7). The key is the 32 characters of /etc/machine-id with an IV that is
//	         the same everywhere, or both are in /etc/octopus/machinekey, as base64(key).base64(IV).
//	Linux    since 2026: $OctopusMachineKeyV1$ and base64 of AES-256-GCM (nonce, text, tag; the mark is the
//	         associated data), with the key of machinekey.
//	Windows  base64 of what DPAPI made for the machine; only that machine can open it.
//
// The text inside is base64 of a PFX without a password. The file comes from a machine's owner, and may be of any
// size and content all the same: what is read is bounded, and what is wrong is said in a sentence of its own.
package octopus
