package sys

import "golang.org/x/sys/unix"

// closeNow is FD.Close without waiters. It reports whether this call closed the
// Descriptor.
func closeNow(d *Descriptor) (bool, error) {
	if !d.StartClose() {
		return false, nil
	}
	return true, d.FinishClose()
}

// release is FD.Release without waiters.
func release(d *Descriptor) (int, error) {
	if err := d.StartRelease(0); err != nil {
		return -1, err
	}
	return d.FinishRelease(nil, 0), nil
}

// take is FD.Take without waiters.
func take(to, from *Descriptor) error {
	if !to.Reserve() {
		return unix.EBUSY
	}
	if err := from.StartRelease(0); err != nil {
		to.Unreserve()
		return err
	}
	from.FinishRelease(to, 0)
	return nil
}
