package link

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ARPIgnore returns net.ipv4.conf.arp_ignore as it holds on an interface: the
// greater of its own and that of all. The kernel tells nobody when it changes
// (RTM_NEWNETCONF does not carry it), and so it is no fact of a Link.
func ARPIgnore(name string) (int, error) {
	most := 0
	for _, scope := range []string{"all", name} {
		path := "/proc/sys/net/ipv4/conf/" + scope + "/arp_ignore"
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, fmt.Errorf("link: failed to read a setting of the kernel: %w", err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, fmt.Errorf("link: failed to read a setting of the kernel: %s: %w", path, err)
		}
		most = max(most, n)
	}
	return most, nil
}
