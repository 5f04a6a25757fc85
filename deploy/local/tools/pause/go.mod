module one-ring.io/pause

go 1.24
