module code.hybscloud.com/iofd/iface

go 1.26.0
