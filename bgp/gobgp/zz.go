package gobgp

import _ "github.com/osrg/gobgp/v4/pkg/packet/bgp"
