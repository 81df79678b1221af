package sqlitebackend

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// newDraft makes an empty file that only the owner can read, beside the one it is to
// become.
func newDraft(to string) (path string, err error) {
	file, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.tmp")
	if err != nil {
		return "", err
	}
	return file.Name(), file.Close()
}

// removeDraft removes what there still is of a draft.
func removeDraft(path string) error {
	var errs []error
	for _, beside := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + beside); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// publish gives a draft its name, durably.
func publish(draft, to string) error {
	// To write, because some systems do not sync a file that is open for reading.
	file, err := os.OpenFile(draft, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft, to); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(to)); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // cannot, and need not
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
