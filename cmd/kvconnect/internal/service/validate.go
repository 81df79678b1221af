package service

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Validate fails for options that Run could not use whatever the machine is like. It opens
// nothing, and tells of all of them at once.
func (o Options) Validate() error {
	errs := []error{
		ofFlag("--transport", o.Transport.Validate()),
		checkAddr("--addr", o.Addr),
		o.Connections.Validate(),
	}
	if o.Durability != "" {
		errs = append(errs, ofFlag("--durability", o.Durability.Validate()))
	}
	if o.AdminAddr != "" {
		errs = append(errs, checkAddr("--admin-addr", o.AdminAddr))
	}
	return errors.Join(errs...)
}

// ofFlag says which flag an error is about. It keeps nil.
func ofFlag(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// checkAddr fails for what is no host and port. A port may be a name, which only the machine
// knows.
func checkAddr(flag, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if n, notNumber := strconv.Atoi(port); err == nil && notNumber == nil && (n < 0 || n > 65_535) {
		err = &net.AddrError{Err: "ports go from 0 to 65535", Addr: addr}
	}
	if err != nil {
		return listenError(err, flag)
	}
	return nil
}
