package curl

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cookieJar returns a jar with the cookies of the files given by --cookie, nil
// without any file, which is when curl keeps no cookies of a server either. A
// file without a name stands for no cookies to begin with.
func (f *Flags) cookieJar() (http.CookieJar, error) {
	isFile := func(text string) bool { return !strings.Contains(text, "=") }
	if !slices.ContainsFunc(f.Cookies, isFile) {
		return nil, nil
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	for _, file := range f.Cookies {
		if !isFile(file) || file == "" {
			continue
		}
		text, err := f.readFile(file)
		if err != nil {
			return nil, fmt.Errorf("--cookie: %w", err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			if err := addCookie(jar, strings.TrimRight(line, "\r")); err != nil {
				return nil, fmt.Errorf("--cookie: %s: line %d: %w", file, n+1, err)
			}
		}
	}
	return jar, nil
}

// addCookie takes a line of a cookie file in the form of Netscape: domain,
// whether subdomains count, path, whether https only, expiry, name, value.
func addCookie(jar http.CookieJar, line string) error {
	line = strings.TrimPrefix(line, "#HttpOnly_")
	if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	fields := strings.Split(line, "\t")
	if len(fields) != 7 {
		return fmt.Errorf("not a line of a cookie file: %d fields, want 7", len(fields))
	}
	host := strings.TrimPrefix(fields[0], ".")
	cookie := &http.Cookie{Name: fields[5], Value: fields[6], Path: fields[2], Secure: fields[3] == "TRUE"}
	expires, err := strconv.ParseInt(fields[4], 10, 64)
	if err != nil {
		return fmt.Errorf("not a line of a cookie file: the expiry is %q, want seconds since 1970", fields[4])
	}
	if expires != 0 { // 0 is a cookie of the session
		cookie.Expires = time.Unix(expires, 0)
	}
	if fields[1] == "TRUE" {
		cookie.Domain = host
	}
	u := &url.URL{Scheme: "http", Host: host, Path: cookie.Path}
	if cookie.Secure {
		u.Scheme = "https"
	}
	jar.SetCookies(u, []*http.Cookie{cookie})
	return nil
}
