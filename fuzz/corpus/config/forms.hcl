# c
a = 1
b = "\"\u00e9\x24{x}"
"k e" "l" { c = [1, "two", {d = 3}, [true],] }
e = -1.5e+3
