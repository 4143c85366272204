package policy

const exampleFolder = `D:\shop`
