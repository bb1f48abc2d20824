# Percentiles, in milliseconds, of what h2load's log says in its third column: microseconds for each request.
# The input is that and the status, sorted by it.
{ value[NR] = $1; if ($2 != 200) bad++ }
function at(share) { return value[int(share * (NR - 1)) + 1] / 1000 }
END { if (NR) printf "%.3f %.3f %.3f %d %d\n", at(0.5), at(0.99), at(0.999), NR, bad }
