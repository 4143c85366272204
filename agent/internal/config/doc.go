// Package config reads and writes the settings of a Tentacle. They lie in <home>/.tentacle/config.yaml;
// every key is also an environment variable and a flag of `tentacle run`, and a flag goes before the
// environment, which goes before the file, which goes before the default.
//
// Keys is the one list of what can be set: the file's text, the flags, the variables and the manual
// are all made from it, so that they cannot differ. An unknown key in the file is an error, as a
// misspelt key would otherwise leave its default in force without a word. Load checks every value and
// says which source a wrong one came from.
package config
