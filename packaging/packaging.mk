# packaging: where files go on a system, and a Debian package of them.
DESTDIR ?=
PREFIX  ?= /usr

.PHONY: install deb
install: all ## into DESTDIR (PREFIX=/usr)
	$(Q)install -D -m 755 $(O)/headgated $(DESTDIR)$(PREFIX)/sbin/headgated
	$(Q)install -D -m 755 $(O)/headgate-probe $(DESTDIR)$(PREFIX)/sbin/headgate-probe
	$(Q)install -D -m 755 $(O)/headgate $(DESTDIR)$(PREFIX)/bin/headgate
	$(Q)install -D -m 644 packaging/headgated.service \
		$(DESTDIR)/lib/systemd/system/headgated.service
	$(Q)install -D -m 644 packaging/headgate.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/headgate.conf
	$(Q)install -D -m 644 packaging/headgated.8 $(DESTDIR)$(PREFIX)/share/man/man8/headgated.8
	$(Q)mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1
	$(Q)$(O)/headgate manual $(DESTDIR)$(PREFIX)/share/man/man1
	$(Q)[ -f $(DESTDIR)/etc/headgate/rules.json ] || \
		install -D -m 644 packaging/rules.json $(DESTDIR)/etc/headgate/rules.json
deb: ## build/headgate_VERSION_ARCH.deb
	$(Q)$(MAKE) --no-print-directory install DESTDIR=$(O)/deb
	$(Q)STRIP=$(STRIP) packaging/build-deb $(O)/deb $(O)
