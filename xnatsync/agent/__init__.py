"""The running agent: `xnatsync run` brings everything to its end for as long as it is not stopped."""
