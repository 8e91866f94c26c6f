package eventloop
const childEnv = "EVENTLOOP_TEST_CHILD"
func runChild(string) int { return 0 }
