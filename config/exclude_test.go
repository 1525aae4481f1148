package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/config"
)

func TestParseExcludeList(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name, text string
		want       []string
		err        string
	}{
		{name: "no file"},
		{name: "empty list", text: "announcedInterfacesToExclude: []"},
		{
			name: "the default's shape",
			text: "announcedInterfacesToExclude: [\"^docker.*\", \"^lo$\", eth1]",
			want: []string{"^docker.*", "^lo$", "eth1"},
		},
		{
			name: "a broken expression",
			text: "announcedInterfacesToExclude: [\"^lo$\", \"(\", \"[\"]",
			want: []string{"^lo$"},
			err: "config: announcedInterfacesToExclude[1]: invalid value \"(\": error parsing regexp: missing closing ): `(`; " +
				"announcedInterfacesToExclude[2]: invalid value \"[\": error parsing regexp: missing closing ]: `[`",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			list, err := config.ParseExcludeList([]byte(tt.text))
			message := ""
			if err != nil {
				message = err.Error()
			}
			if message != tt.err {
				t.Errorf("error = %q, want %q", message, tt.err)
			}
			var got []string
			for _, re := range list {
				got = append(got, re.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("expressions (-want +got):\n%s", diff)
			}
		})
	}
	for _, text := range []string{"[a, b]", "announcedInterfacesToExlude: [a]", "announcedInterfacesToExclude: eth0"} {
		list, err := config.ParseExcludeList([]byte(text))
		if err == nil {
			t.Errorf("%q was read, and is no list to exclude", text)
		}
		if len(list) != len(config.ShippedExcludeList()) {
			t.Errorf("%q gave %v, want the shipped list", text, list)
		}
	}
}
